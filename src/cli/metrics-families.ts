/* Which metrics there are: from what was seen of the machine and from the counters of the tally. Pure. See docs/metrics.md. */
import { type Counters, OPEN_BUCKETS } from '../session/tally-counts.js'
import { namespacesOf, usersOf } from './list-picture.js'
import { type Holding, isOpen, type Machine } from './list-types.js'
import type { Family, Sample } from './metrics-format.js'
import { EXIT } from './report.js'

export interface Seen {
  version: string
  machine: Machine
  counters: Counters
  /** Whether all outcomes are in the counters. */
  isTallyComplete: boolean
}

export function familiesOf({ version, machine, counters, isTallyComplete }: Seen): Family[] {
  return [
    gauge('build_info', 'Which polyns this is.', [{ labels: { version }, value: 1 }]),
    ...stateOf(machine, isTallyComplete),
    ...sessionsOf(machine),
    ...instancesOf(machine.holdings),
    ...openingsOf(counters),
    ...cleanupsOf(counters),
  ]
}

const gauge = (name: string, help: string, samples: number | Sample[]): Family => ({
  name: `polyns_${name}`,
  type: 'gauge',
  help,
  samples: typeof samples === 'number' ? [{ value: samples }] : samples,
})

const counter = (name: string, help: string, samples: number | Sample[]): Family => ({
  ...gauge(name, help, samples),
  type: 'counter',
})

function stateOf({ configuration, areParentsSafe }: Machine, isTallyComplete: boolean): Family[] {
  return [
    gauge('config_ok', '1: the configuration can be used as it is.', configuration === 'good' ? 1 : 0),
    gauge(
      'config_last_good_in_use',
      '1: the configuration is broken, and sessions get the last good one.',
      configuration === 'last good' ? 1 : 0,
    ),
    gauge(
      'instance_parents_ok',
      "1: every instance parent is root's alone; with 0 logins are refused.",
      areParentsSafe ? 1 : 0,
    ),
    gauge('tally_ok', '1: every outcome is in the counters; 0: the tally is full.', isTallyComplete ? 1 : 0),
  ]
}

function sessionsOf({ sessions }: Machine): Family[] {
  const open = sessions.filter(isOpen)
  const byService = new Map<string, number>()
  for (const { record } of open) byService.set(record.service, (byService.get(record.service) ?? 0) + 1)
  const samples = [...byService].sort().map(([service, value]) => ({ labels: { service }, value }))
  return [
    gauge('sessions', 'Open sessions, by PAM service.', samples),
    gauge('users', 'Users with an open session.', usersOf(open).length),
    gauge('namespaces', 'Private mount namespaces of open sessions.', namespacesOf(open).length),
  ]
}

function instancesOf(holdings: readonly Holding[]): Family[] {
  const count = (...kinds: Holding['kind'][]) => holdings.filter(({ kind }) => kinds.includes(kind)).length
  const usages = holdings.flatMap(({ usage }) => usage ?? [])
  const isComplete = usages.length === holdings.length && usages.every(({ complete }) => complete)
  return [
    gauge('instances', 'Private directories, by whether an open session has them.', [
      { labels: { state: 'in_use' }, value: count('in use') },
      { labels: { state: 'idle' }, value: count('left', 'ended') },
    ]),
    gauge('leftovers', 'Directories set aside that are still to be deleted.', count('leftover')),
    gauge(
      'instance_bytes',
      'Allocated bytes in all private directories, as far as they were measured.',
      usages.reduce((sum, { bytes }) => sum + bytes, 0),
    ),
    gauge('instance_bytes_complete', '1: all of them were measured to the end.', isComplete ? 1 : 0),
  ]
}

const OUTCOMES = ['built', 'joined', 'kept', 'host', 'nothing']

function openingsOf(counters: Counters): Family[] {
  const at = (name: string) => counters.get(name) ?? 0
  const reasons = (kind: string) =>
    Object.entries(EXIT)
      .filter(([, status]) => status !== EXIT.ok)
      .map(([reason, status]) => ({ labels: { reason }, value: at(`${kind}.${status}`) }))
  return [
    counter(
      'opens_total',
      'Logins let in, by what they got: a new namespace, that of another session, what they had, the view of the host, nothing.',
      OUTCOMES.map((how) => ({ labels: { how }, value: at(how) })),
    ),
    counter('refusals_total', 'Logins refused, by reason.', reasons('refused')),
    counter('fail_open_total', "Failures let in with the host's view by --fail-open.", reasons('failopen')),
    counter('closes_total', 'Sessions closed.', at('closed')),
    counter('close_failures_total', 'Closings that failed, by reason.', reasons('closefailed')),
    {
      name: 'polyns_open_seconds',
      type: 'histogram',
      help: 'How long a session that was built or joined took to open, the start of polyns included, hooks not.',
      samples: histogram(at, at('built') + at('joined')),
    },
  ]
}

function histogram(at: (name: string) => number, count: number): Sample[] {
  let below = 0
  const buckets = OPEN_BUCKETS.map((bound) => {
    below += at(`opened.le.${bound}`)
    return { suffix: '_bucket', labels: { le: `${bound}` }, value: below }
  })
  return [
    ...buckets,
    { suffix: '_bucket', labels: { le: '+Inf' }, value: count },
    { suffix: '_sum', value: at('opened.micros') / 1e6 },
    { suffix: '_count', value: count },
  ]
}

function cleanupsOf(counters: Counters): Family[] {
  const by = (what: string, scale = 1) =>
    ['reap', 'epilog'].map((name) => ({
      labels: { by: name },
      value: (counters.get(`${name}${what}`) ?? 0) / scale,
    }))
  return [
    counter('reap_runs_total', 'Runs of polyns reap and polyns epilog.', by('')),
    counter('reaped_instances_total', 'Private directories taken away.', by('.instances')),
    counter('reaped_entries_total', 'Files and directories deleted in them.', by('.entries')),
    counter('reap_seconds_total', 'Time that these runs took.', by('.micros', 1e6)),
  ]
}
