/* The second thread of assistant.ts, a program of its own: dist/assistant.cjs. */
import { workerData } from 'node:worker_threads'
import { Fd } from '../sys/fd.js'
import { type AssistantData, SHARED, STATE } from './assistant.js'
import { clearBackwards } from './remove.js'

const { shared, top, deadline }: AssistantData = workerData
const { starting, working, done } = STATE

if (Atomics.compareExchange(shared, SHARED.state, starting, working) === starting) {
  try {
    const isOver = () => Atomics.load(shared, SHARED.stop) === 1
    Atomics.store(shared, SHARED.removed, clearBackwards(new Fd(top, 'tree'), { deadline, isOver }))
  } finally {
    Atomics.store(shared, SHARED.state, done)
    Atomics.notify(shared, SHARED.state)
  }
}
