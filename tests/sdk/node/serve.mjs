// Answers jobs, one JSON line each, until stdin ends: what clients/node_sdk.py talks to.
//
// A job is {call, door, retries, timeout_ms, is_streamed, arguments}; its answer is what the application saw
// (ask.Seen).  `calls` says how each call is made and read, `problemOf` what an error of the SDK
// tells; what is no error of the SDK ends the script, so that the test fails.

import { createInterface } from "node:readline";

export async function serve(calls, problemOf) {
  for await (const line of createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    const seen = { text: "", tool: null, usage: null, pieces: 0, problem: null, answers: [] };
    try {
      await calls[job.call](job, seen);
    } catch (error) {
      seen.problem ??= problemOf(error); // after an event that told of it, what is raised only ends
    }
    process.stdout.write(JSON.stringify(seen) + "\n");
  }
}

// The options every client takes; each answer is written down as soon as its head is there.
export function options(job, seen) {
  return {
    apiKey: job.door.key,
    timeout: job.timeout_ms,
    ...(job.retries === null ? {} : { maxRetries: job.retries }),
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      const headers = Object.fromEntries(response.headers);
      seen.answers.push({ status: response.status, headers, at_ms: performance.now() });
      return response;
    },
  };
}

export function problem(error, code, message) {
  return {
    kind: error.constructor.name,
    status: error.status ?? null,
    code: code ?? null,
    message,
    request_id: error.requestID ?? null,
  };
}
