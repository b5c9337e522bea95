/** What a checkpoint found: pages in the write-ahead log, and how many of them are in the main file now. */
export interface CheckpointReport {
  readonly logFrames: number;
  readonly movedFrames: number;
  /** Why it could not be done; the next one will try again. */
  readonly error: string | undefined;
}

/**
 * The life of a thread that moves pages from the write-ahead log to the main file: asked with any message, it answers with a
 * CheckpointReport, and sleeps between the questions. The message `close` ends it.
 *
 * It is started from its own text, and so may not refer to anything outside itself: a thread that loads a TypeScript file takes
 * 20 MB more, and a bundler need not know of a second file.
 */
export function checkpointer(): void {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads');
  const connection = new DatabaseSync(workerData as string, { timeout: 0 });
  const passive = connection.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  passive.setReturnArrays(true);

  const checkpoint = (): CheckpointReport => {
    try {
      const [, logFrames, movedFrames] = passive.get() as unknown as [busy: number, logFrames: number, movedFrames: number];
      return { logFrames, movedFrames, error: undefined };
    } catch (error) {
      return { logFrames: 0, movedFrames: 0, error: String(error) };
    }
  };

  parentPort?.on('message', (message) => {
    if (message !== 'close') {
      parentPort.postMessage(checkpoint(), []);
      return;
    }
    connection.close();
    parentPort.close();
  });
}
