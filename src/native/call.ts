/** How every asynchronous native call is made: abortable, and failing with the caller's stack. */

import { type AbortFlag, native } from './binding.ts'

/** Runs `call`, passing it an abort flag wired to `signal`. A rejection carries the stack of the caller. */
export async function nativeCall<T>(call: (abort?: AbortFlag) => Promise<T>, signal?: AbortSignal): Promise<T> {
  const here = new Error('caller')
  signal?.throwIfAborted()
  const flag = signal ? native().createAbort() : undefined
  const stop = () => flag && native().abort(flag)
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await call(flag)
  } catch (error) {
    if (signal?.aborted && (error as Error).name === 'AbortError') throw signal.reason
    if (error instanceof Error) {
      const frames = here.stack?.split('\n').slice(2).join('\n') ?? ''
      error.stack = `${error.name}: ${error.message}\n${frames}`
    }
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}
