// Package sallyportv1 is the server's API as generated from the .proto files
// beside it. It promises that fields are only ever added. It holds no logic; the
// meaning of each message is told in its .proto file.
package sallyportv1
