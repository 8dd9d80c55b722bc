package directory

import (
	"context"

	"connectrpc.com/connect"

	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// ReportClock implements MachineService.
func (d *Directory) ReportClock(ctx context.Context, req *v1.ReportClockRequest) (*v1.ReportClockResponse, error) {
	m, err := d.Machine(ctx)
	if err != nil {
		return nil, err
	}
	if err := req.GetMachineTime().CheckValid(); err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	d.ClockSays(m.UUID, req.GetMachineTime().AsTime())
	return &v1.ReportClockResponse{}, nil
}
