// Package identitypb is the identity service as generated from the .proto file beside it,
// which tells what each message means. It holds no logic.
package identitypb

// CodeHeader is the header in which a registration says the code that an administrator gave.
const CodeHeader = "Sallyport-Code"
