// Anthropic's SDK for Node: messages.

import Anthropic from "@anthropic-ai/sdk";
import { options, problem, serve } from "./serve.mjs";

async function messages(job, seen) {
  const client = new Anthropic({ baseURL: job.door.url, ...options(job, seen) });
  if (!job.is_streamed) {
    read(await client.messages.create(job.arguments), seen);
    return;
  }
  const stream = client.messages.stream(job.arguments);
  for await (const event of stream) {
    seen.pieces += 1;
    if (event.type === "content_block_delta") seen.text += event.delta.text ?? "";
  }
  read(await stream.finalMessage(), seen);
}

function read(message, seen) {
  seen.usage = message.usage;
  seen.text = "";
  for (const block of message.content) {
    if (block.type === "text") seen.text += block.text;
    if (block.type === "tool_use") seen.tool = [block.name, block.input];
  }
}

await serve({ messages }, (error) => {
  if (!(error instanceof Anthropic.APIError)) throw error;
  const told = error.error?.error;
  return problem(error, told?.type ?? error.type, told?.message ?? error.message);
});
