// The server's interface: what is sent with each request, and what a refusal becomes.

const API = "1";
let key = sessionStorage.getItem("key");

export class Refused extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

export function useKey(given) {
  key = given;
  sessionStorage.setItem("key", given);
}

export async function call(method, path, { json, body, lease, keepalive = false } = {}) {
  const headers = { "Medcontour-Api": API };
  if (key) headers.Authorization = `Bearer ${key}`;
  if (lease) headers["Medcontour-Lease"] = lease;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const sent = json !== undefined ? JSON.stringify(json) : body;
  let reply;
  try {
    reply = await fetch(`api/${path}`, { method, headers, body: sent, keepalive });
  } catch {
    throw new Refused("The server cannot be reached; is it still running?", 0);
  }
  if (reply.headers.get("Medcontour-Api") !== API) {
    throw new Refused("The server has another version than this page; load the page again.", 0);
  }
  if (reply.ok) return reply;
  const said = await reply.json().catch(() => ({}));
  throw new Refused(said.error ?? `The server replied with status ${reply.status}.`, reply.status);
}

export const get = async (path) => (await call("GET", path)).json();
export const send = async (method, path, json, lease) =>
  (await call(method, path, { json, lease })).json();

export async function plane(study, axis, index) {
  const reply = await call("GET", `studies/${study}/planes/${axis}/${index}`);
  const shape = reply.headers.get("Medcontour-Shape").split(",").map(Number);
  return { values: new Float32Array(await reply.arrayBuffer()), shape };
}

// Follow a job until it has ended; `told` is called as it comes further.
export async function follow(job, told) {
  const reply = await call("GET", `jobs/${job}/events`);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    waiting += value;
    const events = waiting.split("\n\n");
    waiting = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data) told(JSON.parse(data.slice(6)));
    }
  }
  const ended = await get(`jobs/${job}`);
  if (ended.state === "done") return ended.result;
  throw new Refused(ended.error ?? `The job is ${ended.state}.`, 0);
}
