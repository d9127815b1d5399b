/* The package, made in a sandbox as `npm run package` makes it, out of this checkout or of a copy of it. */
import { readFileSync } from 'node:fs'
import { fetchKoffi, fetchNode } from '../../tools/sea/fetch.mjs'
import type { Sandbox } from './sandbox.js'

/** How much a sandbox must be able to hold in which packages are made. */
export const SIZE_MB = 1500
const MAKE = { timeoutMs: 240_000 }

/** What the package is made of from the network: into .cache, once. A sandbox has no network. */
export function fetchParts(): void {
  fetchNode(process.arch)
  fetchKoffi(process.arch)
}

/** Where the package puts the program. */
export const LIB = '/usr/lib/polyns'

/** The single executable, with the launcher and koffi beside it. @param sessionFlags see tools/sea.mjs */
export async function installExecutable(box: Sandbox, sessionFlags: readonly string[] = []): Promise<void> {
  const options = `arch: process.arch, output: '${LIB}/polyns-node', sessionFlags: ${JSON.stringify(sessionFlags)}`
  const make = `import('./tools/sea.mjs').then(({ makeExecutable }) => makeExecutable({ ${options} }))`
  const { koffi } = JSON.parse(readFileSync('package.json', 'utf8')).dependencies
  const native = `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`
  await box.sh(`mkdir ${LIB}; cd /opt/polyns; cp bin/polyns ${LIB}; cp ${native} ${LIB}/koffi-${koffi}.node`)
  await box.sh(['node', '-e', make], { cwd: '/opt/polyns', timeoutMs: 120_000 })
}

/** @returns the path of the .deb in the sandbox */
export async function makePackage(box: Sandbox, output: string, from = '/opt/polyns'): Promise<string> {
  await box.sh(`cd ${from} && node tools/package.mjs --output ${output}`, MAKE)
  return (await box.sh(`ls ${output}/*.deb`)).trim()
}

/** The same of a copy of the checkout with another version. */
export async function makeNext(box: Sandbox, version: string, output: string): Promise<string> {
  const copy = '/var/tmp/next'
  await box.sh(`mkdir ${copy} && cd /opt/polyns &&
    cp -r bin src config docs man tools package.json package-lock.json tsconfig.json README.md SECURITY.md ${copy} &&
    ln -s /opt/polyns/node_modules /opt/polyns/.cache ${copy} && cd ${copy} &&
    sed -i '0,/"version"/s/"version": "[^"]*"/"version": "${version}"/' package.json &&
    sed -i '1s/(.*)/(${version})/' tools/deb/changelog`)
  await box.sh(`cd ${copy} && node tools/build.mjs`, MAKE)
  return makePackage(box, output, copy)
}

/** From now on there is no Node in the sandbox. */
export async function hideNode(box: Sandbox): Promise<void> {
  await box.sh(`for f in /usr/bin/node /usr/bin/nodejs /usr/local/bin/node; do
    while mountpoint -q $f; do umount $f; done; rm -f $f; done; ! command -v node`)
}
