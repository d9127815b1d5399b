/* A program for i386, without a compiler: it runs `helper` as its child, waits for it, and ends with its exit status. */

const BASE = 0x08048000
const ELF_HEADER = 52
const PROGRAM_HEADER = 32
const START = BASE + ELF_HEADER + PROGRAM_HEADER

export function app32(helper: string): Buffer {
  const parent = Buffer.of(
    ...[0xb8, 7, 0, 0, 0, 0xbb, 0xff, 0xff, 0xff, 0xff, 0x50, 0x89, 0xe1, 0x31, 0xd2, 0xcd, 0x80], // waitpid(-1, esp, 0)
    ...[0x0f, 0xb6, 0x5c, 0x24, 0x01, 0xb8, 1, 0, 0, 0, 0xcd, 0x80], // _exit(WEXITSTATUS)
  )
  const fork = Buffer.of(0xb8, 2, 0, 0, 0, 0xcd, 0x80, 0x85, 0xc0, 0x74, parent.length) // 0 jumps over the parent's part
  const child = Buffer.of(
    ...[0xb8, 11, 0, 0, 0, 0xbb, 0, 0, 0, 0], // execve(helper,
    ...[0x31, 0xd2, 0x52, 0x53, 0x89, 0xe1, 0xcd, 0x80], // [helper, null], null)
  )
  child.writeUInt32LE(START + fork.length + parent.length + child.length, 6)
  const code = Buffer.concat([fork, parent, child, Buffer.from(`${helper}\0`)])
  return Buffer.concat([elfHeader(), programHeader(code.length), code])
}

function elfHeader(): Buffer {
  const header = Buffer.alloc(ELF_HEADER)
  header.write('\x7fELF\x01\x01\x01', 'latin1') // 32 bits, little end first
  header.writeUInt16LE(2, 16) // ET_EXEC
  header.writeUInt16LE(3, 18) // EM_386
  header.writeUInt32LE(1, 20)
  header.writeUInt32LE(START, 24)
  header.writeUInt32LE(ELF_HEADER, 28)
  header.writeUInt16LE(ELF_HEADER, 40)
  header.writeUInt16LE(PROGRAM_HEADER, 42)
  header.writeUInt16LE(1, 44)
  return header
}

function programHeader(codeLength: number): Buffer {
  const size = ELF_HEADER + PROGRAM_HEADER + codeLength
  const fields = [1, 0, BASE, BASE, size, size, 5, 0x1000] // PT_LOAD of the whole file, readable and executable
  const header = Buffer.alloc(PROGRAM_HEADER)
  for (const [i, field] of fields.entries()) header.writeUInt32LE(field, i * 4)
  return header
}
