// node tools/completion.mjs: writes config/completion/ anew, for bash and zsh, from the program's own command tree.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bash } from './completion-bash.mjs'
import { readTree } from './completion-tree.mjs'
import { zsh } from './completion-zsh.mjs'

/** @returns {Promise<Map<string, string>>} path below the checkout, and text */
export async function completions() {
  const tree = await readTree()
  return new Map([
    ['config/completion/polyns.bash', bash(tree)],
    ['config/completion/_polyns', zsh(tree)],
  ])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of await completions()) writeFileSync(new URL(`../${path}`, import.meta.url), text)
}
