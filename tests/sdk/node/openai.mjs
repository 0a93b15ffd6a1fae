// OpenAI's SDK for Node: chat, responses, embeddings.

import OpenAI from "openai";
import { options, problem, serve } from "./serve.mjs";

const client = (job, seen) =>
  new OpenAI({ baseURL: `${job.door.url}/v1`, ...options(job, seen) });

async function chat(job, seen) {
  const answer = await client(job, seen).chat.completions.create(job.arguments);
  if (!job.is_streamed) {
    const { message } = answer.choices[0];
    seen.text = message.content ?? "";
    seen.usage = answer.usage;
    for (const call of message.tool_calls ?? []) {
      seen.tool = [call.function.name, JSON.parse(call.function.arguments)];
    }
    return;
  }
  for await (const chunk of answer) {
    const [{ delta, finish_reason: reason }] = chunk.choices; // none are ready for no choices
    seen.pieces += 1;
    seen.text += delta.content ?? "";
    for (const { function: call } of delta.tool_calls ?? []) {
      seen.tool ??= [call.name, ""];
      seen.tool[1] += call.arguments ?? "";
    }
    if (reason === "tool_calls") seen.tool[1] = JSON.parse(seen.tool[1]);
  }
}

async function responses(job, seen) {
  const answer = await client(job, seen).responses.create(job.arguments);
  if (!job.is_streamed) {
    seen.text = answer.output_text;
    readResponse(answer, seen);
    return;
  }
  for await (const event of answer) {
    if (event.sequence_number !== seen.pieces) throw new RangeError("an event is missing");
    seen.pieces += 1;
    if (event.type === "response.output_text.delta") seen.text += event.delta;
    if (event.type === "response.completed") readResponse(event.response, seen);
    if (event.type === "error") {
      const { code, message } = event;
      seen.problem = { kind: "event", status: null, code, message, request_id: null };
    }
  }
}

function readResponse(response, seen) {
  seen.usage = response.usage;
  for (const item of response.output) {
    if (item.type === "function_call") seen.tool = [item.name, JSON.parse(item.arguments)];
  }
}

async function embeddings(job, seen) {
  const answer = await client(job, seen).embeddings.create(job.arguments);
  seen.text = JSON.stringify(answer.data.map((item) => item.embedding));
  seen.usage = answer.usage;
}

await serve({ chat, responses, embeddings }, (error) => {
  if (!(error instanceof OpenAI.APIError)) throw error;
  return problem(error, error.code, error.message);
});
