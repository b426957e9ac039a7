// Training in a worker thread: the main thread stays free and is told about each step; it may ask the run to stop.
//   node examples/worker.mjs MODEL ROWS.jsonl [RUN] [STEPS]
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { GrpoTrainer } from 'rft'

if (isMainThread) {
  const [model, file, dir = 'runs/worker', steps = '20'] = process.argv.slice(2)
  const settings = { model, dir, train: [file], steps: Number(steps) }
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: settings })
  process.once('SIGINT', () => worker.postMessage('stop'))
  let beats = 0
  const heart = setInterval(() => beats++, 10)
  worker.on('message', ({ step, reward }) => console.log(`step ${step}  reward ${reward.toFixed(3)}`))
  worker.on('error', (error) => {
    console.error(error.message)
    process.exitCode = 1
  })
  worker.on('exit', () => {
    clearInterval(heart)
    console.log(`the main thread was free: ${beats > 0}`)
  })
} else {
  const stop = new AbortController()
  parentPort.once('message', () => stop.abort())
  const trainer = await GrpoTrainer.open({
    ...workerData,
    rewards: [{ name: 'format' }, { name: 'accuracy' }],
    config: { rollout: { promptsPerStep: 2, groupSize: 4, maxNewTokens: 16 } },
  })
  for await (const { step, reward } of trainer.steps({ stop: stop.signal })) parentPort.postMessage({ step, reward })
  trainer.dispose()
  parentPort.close()
}
