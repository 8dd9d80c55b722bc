package server

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/sallyport-auth/sallyport/proto/identity"
	v1 "github.com/sallyport-auth/sallyport/proto/sallyport/v1"
)

// TestEachProcedureIsForReadersOrChangesSomething: whoever adds a procedure says which.
// Promise reading-changes.
func TestEachProcedureIsForReadersOrChangesSomething(t *testing.T) {
	changes := map[string]bool{
		"/sallyport.v1.MachineService/Join": true, "/sallyport.v1.MachineService/SetSealingKey": true,
		"/sallyport.v1.MachineService/ReportClock":  true, // for what only full servers make
		"/sallyport.v1.DirectoryService/ReportLost": true, "/sallyport.v1.AuthenticationService/ChangePassword": true,
		"/sallyport.v1.ReportService/Report": true, "/identity.IdentityService/RegisterUser": true, "/identity.IdentityService/LoginUser": true,
		"/identity.IdentityService/RevokeToken": true,
	}
	n := 0
	for _, f := range []protoreflect.FileDescriptor{v1.File_sallyport_v1_realm_proto, v1.File_sallyport_v1_directory_proto, v1.File_sallyport_v1_authentication_proto, v1.File_sallyport_v1_card_proto, pb.File_identity_identity_proto} {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				name := "/" + string(s.FullName()) + "/" + string(s.Methods().Get(j).Name())
				_, may := readsMay[name]
				if n++; may == changes[name] {
					t.Errorf("%s: answered by a server that only reads: %t, changes something: %t", name, may, changes[name])
				}
			}
		}
	}
	if n != len(readsMay)+len(changes) {
		t.Errorf("%d procedures, and %d are named", n, len(readsMay)+len(changes))
	}
}
