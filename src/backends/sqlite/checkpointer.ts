/** What a checkpoint found: pages in the write-ahead log, and how many of them are in the main file now. */
export interface CheckpointReport {
  readonly logFrames: number;
  readonly movedFrames: number;
  /** Why it could not be done; the next one will try again. */
  readonly error: string | undefined;
}

export interface CheckpointerData {
  readonly path: string;
  /** One number: 1 while a checkpoint that was asked for is not done. */
  readonly working: Int32Array;
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
  const { path, working } = workerData as CheckpointerData;
  const connection = new DatabaseSync(path, { timeout: 0 });
  const passive = connection.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  passive.setReturnArrays(true);

  const checkpoint = (): CheckpointReport => {
    try {
      const [, logFrames, movedFrames] = passive.get() as unknown as [
        busy: number,
        logFrames: number,
        movedFrames: number,
      ];
      return { logFrames, movedFrames, error: undefined };
    } catch (error) {
      return { logFrames: 0, movedFrames: 0, error: String(error) };
    }
  };

  parentPort?.on('message', (message) => {
    if (message !== 'close') {
      const report = checkpoint();
      Atomics.store(working, 0, 0);
      Atomics.notify(working, 0);
      parentPort.postMessage(report, []);
      return;
    }
    connection.close();
    parentPort.close();
  });
}
