#!/usr/bin/python3
"""A client of the identity service that is written with nothing but what protoc generates.

    openssl genpkey -algorithm ed25519 -out machine.key
    openssl req -x509 -new -key machine.key -subj /CN=machine -days 36500 -out machine.crt
    protoc -I proto --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin --python_out=. \\
        --grpc_python_out=. identity/identity.proto sallyport/v1/realm.proto

    client.py SERVER join CODE
    client.py SERVER verify USER DEVICE < TOKEN
    client.py SERVER devices USER DEVICE < TOKEN
    client.py SERVER revoke USER DEVICE < TOKEN

SERVER is HOST:PORT. Beside the key it needs ca.crt, which lies in the server's folder. A token is
in base64url without padding. The exit code is 0 for yes and 1 for no. Debian: python3-grpcio,
protobuf-compiler-grpc.
"""
import base64
import subprocess
import sys

import grpc

from identity import identity_pb2 as pb
from identity import identity_pb2_grpc
from sallyport.v1 import realm_pb2, realm_pb2_grpc

SECONDS = 10  # for a call


def read(path):
    with open(path, "rb") as f:
        return f.read()


def connect(server):
    """The machine shows its own certificate. The server's is of the realm's own authority."""
    return grpc.secure_channel(server, grpc.ssl_channel_credentials(read("ca.crt"), read("machine.key"), read("machine.crt")))


def join(channel, code):
    """The server takes the code for the key that this connection is made with."""
    public = subprocess.run(["openssl", "pkey", "-in", "machine.key", "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout[-32:]
    said = realm_pb2_grpc.MachineServiceStub(channel).Join(realm_pb2.JoinRequest(code=code, public_key=public), timeout=SECONDS)
    print("joined", said.realm, "as", said.machine_name)
    return 0


def read_token():
    text = sys.stdin.read().strip()
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify(service, user, device):
    said = service.VerifyUserToken(pb.VerifyUserTokenRequest(userID=user, deviceID=device, token=read_token()), timeout=SECONDS)
    print("yes" if said.tokenValid else "no")
    return 0 if said.tokenValid else 1


def devices(service, user, device):
    said = service.ListDevices(pb.ListDevicesRequest(userID=user, deviceID=device, token=read_token()), timeout=SECONDS)
    for d in said.devices:
        print(d.deviceID, "by", d.authType)
    return 0


def revoke(service, user, device):
    service.RevokeToken(pb.RevokeTokenRequest(userID=user, deviceID=device, token=read_token()), timeout=SECONDS)
    return 0


def main(server, verb, *words):
    with connect(server) as channel:
        try:
            if verb == "join":
                return join(channel, *words)
            service = identity_pb2_grpc.IdentityServiceStub(channel)
            return {"verify": verify, "devices": devices, "revoke": revoke}[verb](service, *words)
        except grpc.RpcError as e:
            print(e.code().name, e.details(), file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
