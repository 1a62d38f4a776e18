/** The thread behind `loadConfigInThread`. */
import { parentPort, workerData } from 'node:worker_threads';
import { type LoadJob, runLoadJob } from './parse-thread.ts';

const { packed, transfer } = await runLoadJob(workerData as LoadJob);
parentPort?.postMessage(packed, transfer);
