/* Root is meant to see the host. A line that is for root too gives root's own logins a private directory. */
import { appliesTo, describeRule, type Rule } from '../../config/index.js'
import { command } from '../../propagation/step.js'
import { type Check, type Finding, ok, warning } from '../finding.js'

const WHY =
  'what root starts from a login runs in a private view: a daemon that is restarted there keeps it, and what root puts into ' +
  'the directory no one else finds'

export const rootExcluded: Check = {
  id: 'root-excluded',
  title: 'Root keeps the view of the host',
  status: 1,
  run(host) {
    const { rules } = host
    const found = rules.filter((rule) => appliesTo(rule, { uid: 0, gids: [0] }))
    if (found.length === 0) return rules.length === 0 ? [] : [ok('no line is for root')]
    return found.map((rule) => judge(rule, host.read(rule.file)))
  },
}

function judge(rule: Rule, text: string | null): Finding {
  const saw = `${rule.file}:${rule.line}: ${rule.polydir} is private for ${describeRule(rule, rule.prefix).users}`
  return warning(saw, WHY, ...exclude(rule, text?.split('\n')[rule.line - 1] ?? ''))
}

/** Adds root to those who are exempt. A line with quotes or a comment, or one that lists whom it is for, is for a person to edit. */
export function exclude(
  { file, line, users }: Pick<Rule, 'file' | 'line' | 'users'>,
  text: string,
): string[] {
  const fields = text.trim().split(/\s+/)
  if (users.mode === 'only' || /["'\\#]/.test(text) || fields.length < 3 || fields.length > 4) return []
  const script = `${line}s/[[:space:]]*$/${fields.length === 3 ? ' ' : ','}root/`
  return [command('sed', '-i', script, file), 'polyns check']
}
