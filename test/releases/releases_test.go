//go:build releases

package releases

import "testing"

func TestAMachineOfTheLastReleaseWorksWithThisServer(t *testing.T) {
	p := lastRelease(t)
	p.serverOf(p.today)
	p.works("old machine, new server")
	p.machineOf(p.today)
	p.works("both new, the server first")
}

func TestThisMachineWorksWithAServerOfTheLastRelease(t *testing.T) {
	p := lastRelease(t)
	p.machineOf(p.today)
	p.works("new machine, old server")
	p.serverOf(p.today)
	p.works("both new, the machine first")
}
