// node tools/man.mjs: writes the manual pages man/NAME from man/NAME.md, in the man(7) macros.
// The first line of a page is `# name(section) - what it is`, then a comment with the date of the text. A list item that begins
// with bold or italic words and a colon is a term with its explanation.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { lexer } from 'marked'

const top = new URL('..', import.meta.url)

/** @returns {Map<string, string>} path below the checkout, and text */
export function manualPages() {
  const { version } = JSON.parse(readFileSync(new URL('package.json', top), 'utf8'))
  const sources = readdirSync(new URL('man', top)).filter((name) => name.endsWith('.md'))
  return new Map(
    sources.map((name) => {
      const text = readFileSync(new URL(`man/${name}`, top), 'utf8')
      return [`man/${name.replace(/\.md$/, '')}`, page(text, { name, version })]
    }),
  )
}

function page(markdown, { name, version }) {
  const [, title, section, what, date] =
    /^# (\S+)\((\d)\) - (.*)\n+<!-- (\d{4}-\d\d-\d\d) -->\n/.exec(markdown) ?? []
  if (title === undefined)
    throw new Error(`man/${name}: begins with '# name(section) - what it is' and a date`)
  const [, , ...blocks] = lexer(markdown).filter(({ type }) => type !== 'space')
  return [
    `.\\" Made from man/${name} by tools/man.mjs.`,
    `.TH ${title.toUpperCase().replaceAll('-', '\\-')} ${section} ${date} "polyns ${version}"`,
    '.SH NAME',
    `${escaped(title, { isLiteral: true })} \\- ${escaped(what)}`,
    // Below a heading a paragraph begins by itself.
    ...blocks
      .flatMap((block) => lines(block, name))
      .filter((line, i, all) => line !== '.PP' || !/^\.S[HS] /.test(all[i - 1])),
    '',
  ].join('\n')
}

function lines(block, name) {
  switch (block.type) {
    case 'heading':
      return [`.${block.depth === 2 ? 'SH' : 'SS'} ${inline(block.tokens, name)}`]
    case 'paragraph':
      return ['.PP', filled(block.tokens, name)]
    case 'code':
      return ['.PP', '.RS 4', '.nf', ...verbatim(block.text), '.fi', '.RE']
    case 'list':
      return block.items.flatMap((item) => listItem(item, name))
    default:
      throw new Error(`man/${name}: no ${block.type} in a manual page: ${block.raw}`)
  }
}

/** A colon, and what closes the term before it, as in `create[=mode]:`. */
const TERM_END = /^([\])]*(?:\.\.\.)?):(?:\s+|$)/

function listItem(item, name) {
  const [first, ...more] = item.tokens.filter(({ type }) => type !== 'space')
  const colon = first.tokens.findIndex(({ type, raw }) => type === 'text' && TERM_END.test(raw))
  const isTerm = colon > 0 && ['strong', 'em', 'codespan'].includes(first.tokens[0].type)
  // A list within, and further paragraphs, stand where the text of the item does.
  const rest = more.flatMap((block) => ['.RS', ...lines(block, name), '.RE'])
  if (!isTerm) return ['.IP \\(bu 2', filled(first.tokens, name), ...rest]
  const [{ raw }] = first.tokens.slice(colon)
  const [end, bracket] = TERM_END.exec(raw)
  const term = [...first.tokens.slice(0, colon), { type: 'text', raw: bracket, text: bracket }]
  const text = raw.slice(end.length)
  const after = [{ type: 'text', raw: text, text }, ...first.tokens.slice(colon + 1)]
  // 7: the indent of a list before it would stay.
  return ['.TP 7', inline(term, name), filled(after, name), ...rest]
}

/** Text to be filled: no line of it is taken for a request. */
function filled(tokens, name) {
  return inline(tokens, name)
    .trim()
    .replace(/^[ ]+/gm, '')
    .replace(/^(?=[.'])/gm, '\\&')
}

function inline(tokens, name) {
  return tokens
    .map((token) => {
      const font = { strong: 'B', codespan: 'B', em: 'I' }[token.type]
      if (font !== undefined) return `\\f${font}${escaped(plain(token), { isLiteral: true })}\\fR`
      if (token.type === 'text' || token.type === 'escape') return escaped(token.text)
      throw new Error(`man/${name}: no ${token.type} in a manual page: ${token.raw}`)
    })
    .join('')
}

/** Without what Markdown escapes. */
const plain = ({ tokens, text }) => tokens?.map((token) => token.text).join('') ?? text

const verbatim = (text) =>
  text.split('\n').map((line) => escaped(line, { isLiteral: true }).replace(/^(?=[.'])/, '\\&'))

/** @param isLiteral what is typed: no character may become a typographic one */
function escaped(text, { isLiteral = false } = {}) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that stand for themselves
  const strange = /[^\x00-\x7f]/.exec(text)
  if (strange !== null) throw new Error(`a manual page is ASCII, not ${JSON.stringify(strange[0])}: ${text}`)
  const plain = text.replaceAll('\\', '\\e')
  if (!isLiteral) return plain
  return plain
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('`', '\\(ga')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of manualPages()) writeFileSync(new URL(path, top), text)
}
