/* Every link in the documents that leads to a file here, or to a heading of one, leads somewhere. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const markdownIn = (dir: string) => readdirSync(join(root, dir)).filter((name) => name.endsWith('.md'))
const DOCUMENTS = ['README.md', 'SECURITY.md', ...markdownIn('docs').map((name) => `docs/${name}`)]

/** What is written in it, without blocks of code: a `# comment` there is no heading, and `[0](x)` no link. */
const proseOf = (text: string) => text.replace(/^(```+)[^\n]*\n.*?^\1 *$/gms, '')

/** The anchors that headings get: lower case, blanks as hyphens, of the rest only letters, digits, - and _; a second of a name is -1. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of proseOf(text).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = words.replace(/[^\p{L}\p{N}\-_ ]/gu, '').replaceAll(' ', '-')
    let name = anchor
    for (let i = 1; anchors.has(name); i++) name = `${anchor}-${i}`
    anchors.add(name)
  }
  return anchors
}

/** `[text](target)`, images too; inline code holds none. */
function linksOf(text: string): string[] {
  const prose = proseOf(text).replace(/(`+)(?!`).*?[^`]\1(?!`)/g, 'code')
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = '']) => target)
}

/** What is wrong with the links of a document; `path` is relative to the root. */
function deadLinks(path: string, text: string): string[] {
  return linksOf(text).flatMap((link) => {
    if (/^[a-z]+:/.test(link)) return []
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? path : relative(root, join(root, dirname(path), file))
    if (target.startsWith('..')) return [`${path}: ${link} leads out of the project`]
    if (target !== path && !existsSync(join(root, target))) return [`${path}: ${link} is not there`]
    if (anchor === undefined) return []
    if (target !== path && statSync(join(root, target)).isDirectory())
      return [`${path}: ${link} is a directory`]
    const inTarget = target === path ? text : readFileSync(join(root, target), 'utf8')
    return anchorsOf(inTarget).has(anchor) ? [] : [`${path}: ${link} names no heading there`]
  })
}

t.test('a link that leads nowhere is found', async (t) => {
  const text = [
    '# Two words, `code` & more',
    '## Twice',
    '## Twice',
    '[a](none.md) [b](architecture.md#none) [c](#two-words-code--more) [d](#twice-1) [e](#twice-2)',
    '`[f](none.md)` ![g](images/none.svg) [h](../../etc) [i](https://example.org/none.md)',
    '```',
    '# no heading [j](none.md)',
    '```',
    '[k](#no-heading-j)',
  ].join('\n')
  t.same(deadLinks('docs/x.md', text), [
    'docs/x.md: none.md is not there',
    'docs/x.md: architecture.md#none names no heading there',
    'docs/x.md: #twice-2 names no heading there',
    'docs/x.md: images/none.svg is not there',
    'docs/x.md: ../../etc leads out of the project',
    'docs/x.md: #no-heading-j names no heading there',
  ])
})

t.test('the documents', async (t) => {
  for (const path of DOCUMENTS) t.same(deadLinks(path, readFileSync(join(root, path), 'utf8')), [], path)
})

t.test('pictures need nothing from elsewhere', async (t) => {
  const names = readdirSync(join(root, 'docs/images'))
  t.ok(names.length > 0)
  for (const name of names) {
    const text = readFileSync(join(root, 'docs/images', name), 'utf8')
    t.match(name, /\.svg$/)
    const outside = text.replace('xmlns="http://www.w3.org/2000/svg"', '')
    t.notMatch(outside, /https?:|<script|<image|@import|@font-face|href=/, name)
    t.match(text, /prefers-color-scheme: dark/, `${name} can be read on a dark page`)
  }
})
