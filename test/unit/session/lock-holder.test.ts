import t from 'tap'
import { parseHolder } from '../../../src/session/lock-holder.js'

const LOCKS = `1: POSIX  ADVISORY  WRITE 10 00:1a:77 0 EOF
2: FLOCK  ADVISORY  WRITE 11 00:1a:777 0 EOF
2: -> FLOCK  ADVISORY  WRITE 12 00:1a:77 0 EOF
3: FLOCK  ADVISORY  WRITE 13 00:1b:77 0 EOF
4: FLOCK  ADVISORY  READ 14 00:1a:77 0 EOF
5: OFDLCK ADVISORY  WRITE -1 fd:10:88 0 EOF
6: FLOCK  ADVISORY  WRITE 16 fd:10:88 0 EOF
`

for (const [title, file, pid] of [
  ['is who has a flock on that very file, not who waits for one', { dev: '0:26', ino: 77n }, 14],
  ['on a device of two digits', { dev: '253:16', ino: 88n }, 16],
  ['is nobody where there is no such line', { dev: '0:26', ino: 7n }, null],
] as const) {
  t.test(`the holder of a lock ${title}`, (t) => {
    t.equal(parseHolder(LOCKS, file), pid)
    t.end()
  })
}

t.equal(parseHolder('', { dev: '0:26', ino: 77n }), null)
