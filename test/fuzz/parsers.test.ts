/*
 * The other readers of text: what the kernel writes about processes that users name, and what administrators write in files
 * that polyns only looks at. Each says what it refuses, by one kind of error or by null, and takes no more than linear time.
 */
import t from 'tap'
import { parseSubordinate } from '../../src/cleanup/alive.js'
import { parseUids } from '../../src/cleanup/processes.js'
import { parseDuration } from '../../src/cli/duration.js'
import { parsePamOptions } from '../../src/cli/pam-options.js'
import { linesThatSkip, passesFailure, polynsCalls, sessionEntries } from '../../src/doctor/pamline.js'
import { readStack } from '../../src/doctor/pamstack.js'
import { agingOf, readTmpfiles } from '../../src/doctor/tmpfiles.js'
import { capabilitiesIn, namespaceIn, parseUnit, seccompIn } from '../../src/doctor/unit.js'
import { type Mount, parseMountinfo } from '../../src/mountinfo/parse.js'
import { assertUsableName, instanceName } from '../../src/ns/name.js'
import { matches } from '../../src/ns/wildcard.js'
import { countLines } from '../../src/session/tally-counts.js'
import { parseCgroupJob, parseStepTitle } from '../../src/slurm/job.js'
import { parseSlurmConf, pluginIn, settingsIn } from '../../src/slurm/plugin.js'
import { UnsafePathError, UnsupportedError, UsageError } from '../../src/sys/errors.js'
import { md5 } from '../../src/sys/lazy.js'
import { fuzz, must, pick, type Random, refusing } from './fuzz.js'

const asText = (input: string) => Buffer.from(input, 'latin1').toString()

/** As the kernel's mangle() writes a field. */
const mangle = (field: string, also = '') =>
  field.replace(/[ \t\n\\#]/g, octal).replace(also === '' ? /(?!)/g : new RegExp(`[${also}]`, 'g'), octal)
const octal = (char: string) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`

function format(mount: Mount): string {
  const { shared, master, propagateFrom, unbindable } = mount.propagation
  const optional = [
    ...(shared === undefined ? [] : [`shared:${shared}`]),
    ...(master === undefined ? [] : [`master:${master}`]),
    ...(propagateFrom === undefined ? [] : [`propagate_from:${propagateFrom}`]),
    ...(unbindable ? ['unbindable'] : []),
  ]
  const options = (list: readonly string[]) => list.map((one) => mangle(one, ',')).join(',')
  const { id, parentId, dev, root, mountPoint, fstype, source } = mount
  const fields = [id, parentId, dev, mangle(root), mangle(mountPoint), options(mount.options), ...optional]
  return [...fields, '-', mangle(fstype), mangle(source), options(mount.superOptions)].join(' ')
}

const ODD_NAMES = ['a b', 'a\tb', 'a\nb', 'a\\b', 'a,b', '\\040', '#', '-', 'x', '//deleted', '\u00e9']
const name = (random: Random) => pick(random, ODD_NAMES)
const MOUNT =
  '36 35 98:0 /mnt1 /mnt2 rw,noatime shared:7 master:1 propagate_from:3 - ext3 /dev/root rw,errors=x'

function mountLine(random: Random): string {
  const number = () => random(1e6)
  const propagation = {
    ...(random(2) ? { shared: number() } : {}),
    ...(random(2) ? { master: number() } : {}),
    ...(random(4) ? {} : { unbindable: true as const }),
  }
  const mount = {
    ...{ id: number(), parentId: number(), dev: `${number()}:${number()}`, propagation },
    ...{ root: `/${name(random)}`, mountPoint: `/${name(random)}`, options: ['rw', name(random)] },
    ...{ fstype: 'x', source: random(9) ? name(random) : '', superOptions: ['ro', name(random)] },
  } as unknown as Mount
  const [again] = parseMountinfo(format(mount))
  must(
    JSON.stringify(again) === JSON.stringify({ ...again, ...mount }),
    `another mount from ${format(mount)}`,
  )
  return format(mount)
}

/** The rules in words, component by component, in place of one expression. */
function jobByHand(text: string): string | null {
  for (const line of text.split('\n')) {
    const [hierarchy = '', , ...rest] = line.split(':')
    const path = rest.join(':')
    if (!/^\d+$/.test(hierarchy) || rest.length === 0 || !path.startsWith('/')) continue
    const parts = path.slice(1).split('/')
    if (parts.slice(0, -1).some((part) => part === 'user.slice' || /^user@\d+\.service$/.test(part))) continue
    for (const [i, part] of parts.entries()) {
      const job = /^job_(\d+)$/.exec(part)?.[1]
      const isV1 = i >= 2 && /^uid_\d+$/.test(parts[i - 1] ?? '') && (parts[i - 2] ?? '').startsWith('slurm')
      const isV2 = i >= 1 && (parts[i - 1] ?? '').endsWith('slurmstepd.scope')
      if (job !== undefined && (isV1 || isV2)) return job
    }
  }
  return null
}

const STACK = `#%PAM-1.0
auth required pam_unix.so
session [success=ok ignore=ignore default=bad] pam_selinux.so close
-session optional pam_systemd.so
session required pam_exec.so quiet seteuid /usr/sbin/polyns pam --fail-open
session include common
session substack common
@include other
session sufficient \\
 pam_permit.so # end
`
const UNIT = `[Unit]
Description=x
[Service]
SystemCallFilter=@system-service \\
# between
  ~@mount
NoNewPrivileges=yes
PrivateTmp=true
CapabilityBoundingSet=CAP_SYS_ADMIN
`
const STATUS =
  'Name:\tbash\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nUid:\t1000\t1000\t1000\t1000\nGid:\t0\t0\t0\t0\n'

t.test('a slurm.conf without a setting, of each letter of which one could begin', (t) => {
  const { user } = process.cpuUsage()
  t.equal(parseSlurmConf('x'.repeat(1e6)).size, 0)
  t.ok(process.cpuUsage().user - user < 5e6)
  t.end()
})

fuzz([
  {
    name: 'mountinfo',
    corpus: [`${MOUNT}\n`, '1 1 0:1 / / rw - rootfs  rw\n', `${MOUNT.replace('/mnt2', '/a\\040b\\134')}\n`],
    pieces: [' ', ' - ', 'shared:', 'master:', 'unbindable', 'propagate_from:', '\\040', '\\', ',', '/', ':'],
    make: (random) => Array.from({ length: 1 + random(4) }, () => mountLine(random)).join('\n'),
    run(input) {
      const text = asText(input)
      const mounts = refusing([UnsupportedError], () => parseMountinfo(text))
      if (mounts === null) return false
      must(mounts.length === text.split('\n').filter(Boolean).length, 'a line was lost')
      must(
        mounts.every(({ mountPoint, id }) => mountPoint.startsWith('/') && Number.isInteger(id)),
        'no path, or no id',
      )
      return true
    },
  },
  {
    name: 'cgroup',
    corpus: [
      '0::/system.slice/slurmstepd.scope/job_123/step_0/user/task_0\n',
      '5:freezer:/slurm_node1/uid_1000/job_123/step_batch\n4:cpu:/\n',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/slurmstepd.scope/job_66/x\n',
      '0::/system.slice/node_slurmstepd.scope/s0123456789ABC/step_0\n',
    ],
    pieces: [
      ...['job_', 'job_7', '/job_7/', 'slurmstepd.scope/', 'slurm/uid_1/', 'user.slice/', '/user.slice'],
      ...['user@5.service/', '\r0::/', '\r', '/', '..', ':', '\n0::/', '\n', 's0123456789ABC', 'uid_'],
    ],
    run(input) {
      const text = asText(input)
      // The kernel puts no line feed into a path, and two colons on each line.
      if (text.split('\n').some((line) => line !== '' && !/^\d+:[^:]*:\//.test(line))) {
        parseCgroupJob(text)
        return null
      }
      const job = parseCgroupJob(text)
      if (job !== 'sluid') must((job?.id ?? null) === jobByHand(text), `${job?.id}, not ${jobByHand(text)}`)
      return job !== null
    },
  },
  {
    name: 'step title',
    corpus: ['slurmstepd: [123.batch]\0', 'slurmstepd: [1.extern]', 'bash\0-c\0x'],
    pieces: ['slurmstepd: ', '[', ']', '.', '9'.repeat(30), '\0'],
    run(input) {
      const job = parseStepTitle(input)
      must(job === null || /^\d+$/.test(job), `${job}`)
      return job !== null
    },
  },
  {
    name: 'proc status',
    corpus: [STATUS, STATUS.replace('S (sleeping)', 'Z (zombie)')],
    pieces: ['\nUid:', '\nUid:\t', '\t', ' ', 'Uid:\t0\t0\t0\t0\n', '\\n'],
    run(input) {
      const uids = parseUids(Buffer.from(input, 'latin1'))
      must(uids.size <= Math.max(4, input.length), 'too many')
      return uids.size > 0
    },
  },
  {
    name: 'subuid',
    corpus: ['alice:100000:65536\nbob:165536:65536\n', '1000:1:1\n'],
    pieces: [':', '\n', '4294967295', '-1', '0x10', ' '],
    run(input) {
      const ranges = parseSubordinate(asText(input))
      for (const range of ranges)
        for (const value of Object.values(range))
          must(typeof value !== 'number' || value >= 0, JSON.stringify(range))
      return ranges.length > 0
    },
  },
  {
    name: 'pam options',
    corpus: [
      '--fail-open\n--skip\na,b',
      '--unmnt-remnt\n--gen-hash\n--timeout=30',
      '--config=/x\n--target\n77\n--debug',
      '--use-current-context\n--require-selinux\n--timeout\n3600',
    ],
    pieces: [
      '--global',
      '--unmnt-only',
      '--timeout',
      '--timeout=',
      '=',
      '\n',
      '--',
      '--target=',
      '-1',
      '1e3',
    ],
    run(input) {
      const options = refusing([UsageError], () => parsePamOptions(input.split('\n')))
      if (options === null) return false
      const { timeout, target } = options
      must(Number.isInteger(timeout) && timeout >= 1 && timeout <= 3600, `timeout ${timeout}`)
      must(target === undefined || (Number.isInteger(target) && target > 0), `target ${target}`)
      must(Object.getPrototypeOf(options) === Object.prototype, 'another prototype')
      return true
    },
  },
  {
    name: 'pam stack',
    corpus: [STACK, 'session required pam_exec.so seteuid type=x /usr/sbin/polyns pam\n'],
    pieces: [
      ...['session', 'include', 'substack', '@include ', 'common', 'other', '[', ']', '=', '\\\n', '#'],
      ...['[success=99999999999 default=ignore]', '[done=done]', 'pam_exec.so', 'polyns pam', '-session'],
    ],
    run(input) {
      const text = asText(input)
      const files: Record<string, string> = {
        '/etc/pam.d/app': text,
        '/etc/pam.d/common': text.slice(0, 2000),
      }
      const stack = readStack('app', (path) => (Object.hasOwn(files, path) ? (files[path] ?? '') : null))
      if (stack === null) throw new Error('no stack')
      const session = sessionEntries(stack.entries)
      const calls = polynsCalls(stack.entries)
      // What follows the first few says no more, and each is looked at with all lines before it.
      for (const { index, entry } of calls.slice(0, 5)) {
        must(session[index] === entry, 'another line')
        linesThatSkip(session, index)
        passesFailure(entry.control)
      }
      return calls.length > 0
    },
  },
  {
    name: 'slurm.conf',
    corpus: [
      'ClusterName=x # c\nEpilog=/a Epilog="/b c"\nPrologFlags=Contain,X11\nNamespaceType=namespace/linux\n',
      'jobcontainertype=job_container/tmpfs\nProctrackType = proctrack/cgroup \\\nTaskPlugin=task/none\n',
    ],
    pieces: ['=', '"', '\\\n', '#', '\\#', ' ', 'NamespaceType=', 'namespace/none', 'include x'],
    run(input) {
      const text = asText(input)
      const settings = parseSlurmConf(text)
      must(settings.size <= settingsIn(text).length, 'more names than settings')
      return pluginIn(settings) !== null
    },
  },
  {
    name: 'tmpfiles',
    corpus: [
      'q /tmp 1777 root root 10d\nx /tmp/inst\nX /tmp/inst/*\nD! /x - - - -\n',
      'd "/tmp/a b" 0755 - - 1d\nz /tmp/[a-c]*/?x - - - 5d\nR %T/x\n',
      'e /tmp/* - - - 1h\nx /tmp/[!a]b - - - 2h\n',
    ],
    pieces: [
      '[',
      ']',
      '[!',
      '[^',
      '[z-a]',
      '[]',
      '*',
      '?',
      '\\',
      '%',
      '%%',
      '%T',
      '"',
      "'",
      '(',
      '{2,1}',
      '+',
      '-',
    ],
    run(input) {
      const lines = readTmpfiles(
        (directory) => (directory === '/etc/tmpfiles.d' ? ['x.conf'] : null),
        () => asText(input),
      )
      must(
        lines.every(({ type, path }) => type.length === 1 && path !== ''),
        'no type, or no path',
      )
      return agingOf('/tmp/inst', lines) !== null
    },
  },
  {
    name: 'unit file',
    corpus: [UNIT, '[Service]\nRestrictNamespaces=~mnt user\nUser=x\n'],
    pieces: ['[', ']', '=', '\\\n', '#', ';', '~', '@', 'SystemCallFilter=', '[Service]\n', ' '],
    run(input) {
      const settings = parseUnit(asText(input), '/f')
      return [seccompIn, namespaceIn, capabilitiesIn].some((judge) => judge(settings).length > 0)
    },
  },
  {
    name: 'tally',
    corpus: ['built 43210\nclosed\nrefused 5\nreap 3 1200 54321\n', 'joined 9\nnothing 1\nfailopen 1\n'],
    pieces: [' ', '\n', '999999999999999', '__proto__ 1', 'built', 'built -1', 'reap 1'],
    run(input) {
      const counters = new Map<string, number>()
      countLines(counters, asText(input))
      for (const [counter, value] of counters)
        must(Number.isFinite(value) && value >= 0, `${counter} is ${value}`)
      return counters.size > 0
    },
  },
  {
    name: 'wildcards',
    cases: 8000,
    corpus: ['krb5cc_*\nkrb5cc_1000_abc', '*\n.hidden', '.*\n.x', '*a*b*c?\naaabbbcccd', '?\n\u00ff'],
    pieces: ['*', '**', '?', 'a', '\n', '.', '*a', 'a*a*a*a*'],
    run(input) {
      const [pattern = '', subject = ''] = [asText(input).split('\n')[0], asText(input).split('\n')[1]]
      const found = matches(subject, pattern)
      // The plain definition, for what is short enough for it.
      if (subject.length < 12 && pattern.length < 12) {
        const hidden = subject.startsWith('.') && !pattern.startsWith('.')
        must(found === (!hidden && plainly(Array.from(subject), Array.from(pattern))), `${found}`)
      }
      return found
    },
  },
  {
    name: 'durations',
    corpus: ['90', '90s', '30m', '3h', '2d'],
    pieces: ['s', 'm', '-', '.', 'e', '0x', ' '],
    run(input) {
      const ms = refusing([UsageError], () => parseDuration('--idle', input))
      must(ms === null || (Number.isFinite(ms) && ms >= 0), `${ms}`)
      return ms !== null
    },
  },
  {
    name: 'instance names',
    corpus: [
      'alice',
      'steve.jobs',
      'a.job7',
      'a.sessionc7',
      'x'.repeat(81),
      '..',
      '-rf',
      '\u00e9'.repeat(50),
    ],
    pieces: ['/', '\0', '.', '.job', '.session', '7', '-', '\xff', '\xe2\x82\xac'],
    run(input) {
      const user = asText(input)
      const name = refusing([UnsafePathError], () => {
        assertUsableName(user)
        return instanceName({ scope: 'user' }, { user, sessionId: '1', jobId: null }, md5)
      })
      if (name === null) return false
      must(!/[/\0]/.test(name) && name !== '' && name !== '.' && name !== '..', `unsafe: ${name}`)
      must(Buffer.byteLength(name) <= 255, 'too long for a file system')
      return true
    },
  },
])

function plainly([char, ...chars]: string[], [want, ...wants]: string[]): boolean {
  if (want === undefined) return char === undefined
  if (want === '*') {
    return (
      plainly(char === undefined ? [] : [char, ...chars], wants) ||
      (char !== undefined && plainly(chars, [want, ...wants]))
    )
  }
  return char !== undefined && (want === '?' || want === char) && plainly(chars, wants)
}
