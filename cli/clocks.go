package cli

import (
	"fmt"
	"time"

	"github.com/sallyport-auth/sallyport/report"
)

// clockDiffers is from when on it is said that two clocks differ. A certificate begins a
// minute before it was made.
const clockDiffers = 30 * time.Second

// sayClocks says whose clock is so wrong that a certificate may be refused for it: sshd
// says nothing of that to who logs in.
func (a *App) sayClocks(c report.Certified) {
	if !c.ServerTime.IsZero() {
		if by := a.Now().Sub(c.ServerTime); by.Abs() >= clockDiffers {
			fmt.Fprintf(a.Stderr, "sallyport: this machine's clock is %s the server's. To set it: sudo timedatectl set-ntp true\n", apart(by))
		}
	}
	for _, h := range c.Hops {
		by := time.Duration(h.ClockAheadSeconds) * time.Second
		if by.Abs() < clockDiffers {
			continue
		}
		what := "is over"
		if by < 0 {
			what = "is not good yet"
		}
		fmt.Fprintf(a.Stderr, "sallyport: the clock of %s is %s the server's, so its sshd may refuse the certificate as one that %s. There, as root: timedatectl set-ntp true\n",
			spoken(h.Machine), apart(by), what)
	}
}

// apart is how two clocks differ.
func apart(by time.Duration) string {
	if by < 0 {
		return span(-by) + " behind"
	}
	return span(by) + " ahead of"
}
