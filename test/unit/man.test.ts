/* The manual pages: the roff is what the Markdown gives, and what is in it of commands and options are the program's own. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { EXIT } from '../../src/cli/report.js'
import { type Option, readTree } from '../../tools/completion-tree.mjs'
import { manualPages } from '../../tools/man.mjs'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const page = read('man/polyns.8.md')

t.test('the pages are what their Markdown gives', (t) => {
  for (const [path, text] of manualPages())
    t.ok(read(path) === text, `${path}: if it is stale, run node tools/man.mjs`)
  t.end()
})

/** The text below a heading, up to the next of its rank or above. */
function below(heading: string): string {
  const [mark = ''] = heading.split(' ')
  const [, text = ''] = page.split(`\n${heading}\n`)
  return text.split(new RegExp(`^#{2,${mark.length}} `, 'm'))[0] ?? ''
}

/** `--user USER`, `-u USER`, `--json`: of each list item whose terms are options. */
function optionsIn(text: string): string[] {
  const terms = [...text.matchAll(/^- (\*\*-.*?):/gm)].map(([, term = '']) => term)
  return terms.flatMap((term) => term.split(', ').map((one) => one.replaceAll('*', ''))).sort()
}

function optionsOf(options: readonly Option[]): string[] {
  const names = options.flatMap(({ long, short, value }) =>
    [long, ...(short === undefined ? [] : [short])].map((name) =>
      value === undefined ? name : `${name} ${value}`,
    ),
  )
  return [...new Set(names)].sort()
}

t.test('every command and option is in polyns(8), and every one in it exists', async (t) => {
  const { options, commands } = await readTree()
  const own = below('## COMMANDS').split('\n### ')[0] ?? ''
  const [, programs = ''] = /before the command:\n\n((?:- .*\n)+)/.exec(own) ?? []
  t.same(optionsIn(programs), optionsOf(options), "the program's own")
  const headings = [...below('## COMMANDS').matchAll(/^### (.*)$/gm)].map(([, names = '']) => names)
  t.same(headings.flatMap((names) => names.split(', ')).sort(), commands.map(({ name }) => name).sort())
  for (const heading of headings) {
    const here = commands.filter(({ name }) => heading.split(', ').includes(name))
    const wanted = here.flatMap((one) => one.options).filter(({ long }) => long !== '--help')
    const text = below(`### ${heading}`)
    t.same(optionsIn(text), optionsOf(wanted), `${heading}: the list of options`)
    const synopsis = text.split(/\n\n(?!\*\*polyns)/)[0] ?? ''
    for (const { long } of heading === 'pam' ? [] : wanted)
      t.match(synopsis, `**${long}**`, `${heading}: the synopsis`)
  }
})

t.test('it has the sections that a reader looks for, and each exit status', (t) => {
  const sections = [...page.matchAll(/^## (.*)$/gm)].map(([, name]) => name)
  const wanted =
    'SYNOPSIS, DESCRIPTION, COMMANDS, EXIT STATUS, ENVIRONMENT, FILES, DIAGNOSTICS, SECURITY, EXAMPLES, BUGS, SEE ALSO'
  t.same(sections, wanted.split(', '))
  const statuses = [...below('## EXIT STATUS').matchAll(/^- \*\*(\d)\*\*/gm)].map(([, status]) =>
    Number(status),
  )
  t.same(statuses, Object.values(EXIT))
  t.end()
})

t.test('polyns-namespace.conf(5) has every method and flag', (t) => {
  const conf = read('man/polyns-namespace.conf.5.md')
  const reference = read('docs/configuration.md')
  const [, methods = '', flags = ''] = reference.split(/^\| (?:method|flag) \|.*$/m)
  const names = [methods, flags].flatMap((table) =>
    [...(table.split('\n\n')[0] ?? '').matchAll(/^\| (.*?) \| /gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([a-z]+)/g)].map(([, name = '']) => name),
    ),
  )
  t.ok(names.length > 15, names.join(' '))
  for (const name of new Set(names))
    t.match(conf, new RegExp(`^- (.*, )?(\\*\\*|\`)${name}(=\\w*)?(\\*\\*|\`)`, 'm'), name)
  t.end()
})
