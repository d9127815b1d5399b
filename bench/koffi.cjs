// The least that a program with koffi can be: what `polyns pam` is compared with, in the executable and by Node.
// With an argument it ends as polyns does, at once; without one as Node does. `pam` is the one with which the executable's Node
// has the switches of a login.
const { existsSync } = require('node:fs')
const beside = `${require('node:path').dirname(process.execPath)}/koffi.node`
const inTree = `${__dirname}/../node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`
const file = { exports: {} }
process.dlopen(file, existsSync(beside) ? beside : inTree)
const exit = file.exports.load(null).func('void _exit(int)')
if (['now', 'pam'].includes(process.argv[2])) exit(0)
