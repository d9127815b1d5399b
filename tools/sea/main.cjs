{
  // What the single executable runs for all but logins: the bundle out of the executable itself and compiled already, as
  // tools/start.cjs does with files. That the file is whole has been asked before Node began (launcher/entry-ARCH.lst).
  process.exitCode = 1
  const { getAssetKeys, getRawAsset } = require('node:sea')
  const { Script } = require('node:vm')

  process.env.PATH = '/usr/sbin:/usr/bin:/sbin:/bin'
  // As if in a directory of that name: so what lies beside the executable is one level above the program.
  const directory = process.execPath
  const filename = `${directory}/polyns.cjs`
  const source = Buffer.from(getRawAsset('polyns.cjs')).latin1Slice()
  try {
    const script = new Script(source, {
      filename,
      // There is none in one that was made on a machine of another kind.
      cachedData: getAssetKeys().includes('polyns.cache')
        ? Buffer.from(getRawAsset('polyns.cache'))
        : undefined,
    })
    const main = { exports: {} }
    script.runInThisContext()(main.exports, require, main, filename, directory)
  } catch (error) {
    // Before the program can report anything itself; Node would show the line, which is all of the bundle.
    process._rawDebug(`polyns: cannot start: ${error.message}: install it again`)
  }
}
