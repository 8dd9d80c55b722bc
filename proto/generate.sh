#!/bin/sh
# Generates the Go code beside the .proto files. Needs protoc; the two plugins
# are pinned in tools/go.mod. Debian: protobuf-compiler and libprotobuf-dev.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/tools
go build -modfile=tools/go.mod -o build/tools/ google.golang.org/protobuf/cmd/protoc-gen-go connectrpc.com/connect/cmd/protoc-gen-connect-go
protoc -I proto \
	--plugin=build/tools/protoc-gen-go --plugin=build/tools/protoc-gen-connect-go \
	--go_out=. --go_opt=module=github.com/sallyport-auth/sallyport \
	--connect-go_out=. --connect-go_opt=module=github.com/sallyport-auth/sallyport,simple \
	proto/sallyport/v1/*.proto proto/identity/*.proto
