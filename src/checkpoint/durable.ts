/** Writes that survive a power cut: content first, then the folder entry. */

import { type FileHandle, open } from 'node:fs/promises'

/** Writes a small file and syncs it. */
export async function writeSynced(file: string, content: string | Uint8Array): Promise<void> {
  await withHandle(file, 'w', async (handle) => {
    await handle.writeFile(content)
    await handle.sync()
  })
}

/** Makes what was written to a file durable. */
export const syncFile = (file: string): Promise<void> => withHandle(file, 'r+', (handle) => handle.sync())

/** Makes the entries of a folder durable; Windows cannot open folders and does not need it. */
export async function syncFolder(dir: string): Promise<void> {
  if (process.platform !== 'win32') await withHandle(dir, 'r', (handle) => handle.sync())
}

async function withHandle(path: string, flags: string, body: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags)
  try {
    await body(handle)
  } finally {
    await handle.close()
  }
}
