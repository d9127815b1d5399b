/*
 * create[=mode[,owner[,group]]]: how a missing directory is made.
 *
 * The mode is a C number: 0 leads an octal one, 0x a hexadecimal one, everything else is decimal, and what does
 * not parse counts as far as it does. Owner and group are names. An owner brings his primary group along.
 */
import type { Reporter } from './problem.js'
import { show } from './problem.js'
import type { Names, Rule } from './types.js'
import type { Word } from './words.js'

type Create = NonNullable<Rule['create']>

const DEFAULT_MODE = 0xffffffff
const ALLOWED_MODE = 'an octal number from 00 to 07777 with its leading 0, such as 01777'
const ALLOWED_CREATE = 'create[=mode[,owner[,group]]], owner and group by name'

/** @param value what stands behind the `=`, or null without one */
export function readCreate(value: Word | null, names: Names, reporter: Reporter): Create {
  const create: Create = { mode: null, owner: null, group: null }
  if (value === null) return create
  if (value.text === '' || value.text.endsWith(',')) {
    const column = value.columnAt(value.chars.length)
    const compat = 'the default is used'
    reporter.report('bad-value', column, 'create= ends without a value', { allowed: ALLOWED_CREATE, compat })
  }
  const [mode, owner, ...groupParts] = value.split(',')
  if (mode !== undefined && mode.text !== '') create.mode = readMode(mode, reporter)
  if (owner !== undefined && owner.text !== '') {
    const user = names.userByName(owner.text)
    if (user === null) {
      const message = `create= names the unknown user ${show(owner.text)}`
      reporter.report('bad-create', owner.column, message, { allowed: ALLOWED_CREATE })
    }
    create.owner = user?.uid ?? null
    create.group = user?.gid ?? null
  }
  // A third comma is a part of the group's name, so that no such group exists.
  const group = groupParts.map((part) => part.text).join(',')
  if (group !== '') {
    const found = names.groupByName(group)
    if (found === null) {
      const column = groupParts[0]?.column ?? value.column
      const message = `create= names the unknown group ${show(group)}`
      reporter.report('bad-create', column, message, { allowed: ALLOWED_CREATE })
    }
    create.group = found?.gid ?? null
  }
  return create
}

function readMode(word: Word, reporter: Reporter): number | null {
  const mode = parseCNumber(word.text)
  const compat = mode === null ? 'the default is used' : `it is read as 0${mode.toString(8)}`
  if (/^[1-7][0-7]{2,3}$/.test(word.text)) {
    const message = `the mode ${word.text} lacks its leading 0 and is a decimal number`
    reporter.report('decimal-mode', word.column, message, { allowed: `0${word.text}`, compat })
  } else if (!/^0[0-7]*$/.test(word.text) || mode === null || mode > 0o7777) {
    reporter.report('bad-mode', word.column, `${show(word.text)} is no file mode`, {
      allowed: ALLOWED_MODE,
      compat,
    })
  }
  return mode
}

/**
 * strtoul(3) with base 0, cut to 32 bits.
 * @returns null where that is the value which stands for the default: all bits set, or out of range.
 */
function parseCNumber(text: string): number | null {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text)
  if (match === null) return 0
  const [, sign, digits = '0'] = match
  const octal = /^0[0-7]+$/.test(digits)
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits)
  if (value > 0xffffffffffffffffn) return null
  const cut = Number(BigInt.asUintN(32, sign === '-' ? -value : value))
  return cut === DEFAULT_MODE ? null : cut
}
