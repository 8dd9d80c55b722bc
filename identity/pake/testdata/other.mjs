// Both ends of OPAQUE by @serenity-kit/opaque, for interop_test.go: a call in JSON on each line of
// standard input, what it returns on one of standard output. The folder of the package is the
// first argument.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const opaque = await import(pathToFileURL(process.argv[2] + '/esm/index.js'))
await opaque.ready
for await (const line of createInterface({ input: process.stdin })) {
  const { end, call, of } = JSON.parse(line)
  let answer
  try {
    answer = { is: opaque[end][call](of) ?? null }
  } catch (e) {
    answer = { error: String(e) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
