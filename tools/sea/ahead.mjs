// Which functions of a bundle are compiled when the executable is made: those that an ordinary login runs, half of it. All of them
// would have to be read at each start, and what is not there is compiled when it is called, each time.
import { readFileSync } from 'node:fs'
import ts from 'typescript'

/**
 * @param list the file with their names, which test/root/package-ahead.test.ts keeps complete
 * @param text of the bundle
 * @returns where each of them is, for V8
 */
export function placesOf(list, text) {
  const names = new Set(readFileSync(list, 'utf8').trimEnd().split('\n'))
  const functions = functionsIn(text).filter(({ name }) => names.has(name))
  for (const { name } of functions) names.delete(name)
  if (names.size > 0) throw new Error(`${list}: no longer in the program: ${[...names].join(', ')}`)
  return functions.map(({ inside }) => {
    const lines = text.slice(0, inside).split('\n')
    return { lineNumber: lines.length - 1, columnNumber: lines.at(-1).length }
  })
}

/**
 * Each has a name that stays when others come and go: as the source has it, behind those of the functions and classes around it,
 * and a number for one without. esbuild's numbers behind equal names are left out, so a few share one.
 * @returns {{ name: string, start: number, end: number, inside: number }[]} V8's own place of it, and one in no other within it
 */
export function functionsIn(text) {
  const file = ts.createSourceFile('bundle.js', text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS)
  const found = []
  visit(file, { name: '', unnamed: 0 })
  return found

  function visit(node, scope) {
    const isFunction = ts.isFunctionLike(node)
    const isScope = isFunction ? !isCalledInPlace(node) : ts.isClassLike(node)
    const own = isScope ? { name: nameOf(node, scope), unnamed: 0 } : scope
    if (isScope)
      found.push(...(isFunction ? [{ name: own.name, ...placeOf(node) }] : fieldsOf(node, own.name)))
    ts.forEachChild(node, (child) => visit(child, own))
  }

  /** V8 compiles it with what is around it. */
  function isCalledInPlace({ parent }) {
    return ts.isParenthesizedExpression(parent) && ts.isCallExpression(parent.parent)
  }

  function nameOf(node, scope) {
    const named = node.name ?? (node.parent.initializer === node ? node.parent.name : undefined)
    const kind = ts.isGetAccessor(node) ? 'get ' : ts.isSetAccessor(node) ? 'set ' : ''
    const name = ts.isConstructorDeclaration(node) ? 'constructor' : named?.getText(file).replace(/\d+$/, '')
    const prefix = scope.name === '' ? '' : `${scope.name} / `
    return prefix + (name === undefined ? `${++scope.unnamed}` : kind + name)
  }

  function placeOf(node) {
    const arrow = node.equalsGreaterThanToken
    const start = arrow ? node.getStart(file) : node.parameters.pos - 1
    return { start, end: node.end, inside: arrow ? arrow.getStart(file) : node.body.getStart(file) }
  }

  /** V8 has one function of its own for all that have a value at first. */
  function fieldsOf(node, name) {
    const fields = node.members.filter((member) => ts.isPropertyDeclaration(member))
    if (fields.length === 0) return []
    const start = fields[0].getStart(file)
    const { end } = fields.at(-1)
    return [{ name: `${name} / fields`, start, end: text[end - 1] === ';' ? end - 1 : end, inside: start }]
  }
}
