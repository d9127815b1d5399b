/* Clocks that nobody sets: steady, and the same for those who have to agree. */
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { bootId, monotonicMs, sinceBootMs } from '../../../src/sys/clock.js'

t.test('monotonicMs is one clock for all threads, unlike performance.now()', async (t) => {
  const before = monotonicMs()
  const code = `require('node:worker_threads').parentPort.postMessage(Number(process.hrtime.bigint()) / 1e6)`
  const worker = new Worker(code, { eval: true })
  const there = await new Promise<number>((resolve) => worker.once('message', resolve))
  const after = monotonicMs()
  t.ok(before < there && there < after, `${before} ${there} ${after}`)
})

t.test('sinceBootMs is the uptime, and the wall clock has no part in it', (t) => {
  const real = Date.now
  t.teardown(() => {
    Date.now = real
  })
  Date.now = () => 0
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000
  t.ok(Math.abs(sinceBootMs() - uptime) < 1000)
  t.end()
})

t.test('bootId is one line', (t) => {
  t.match(bootId(), /^[0-9a-f-]{36}$/)
  t.end()
})
