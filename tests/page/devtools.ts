/** A small client of the Chrome DevTools Protocol: one socket, commands to pages over it. */

/** A command's result, of which callers know the parts that they need. */
type Result = Readonly<Record<string, unknown>>;

interface Answer {
  readonly id?: number;
  readonly result?: Result;
  readonly error?: { readonly message: string };
}

/** The browser's end of the protocol. */
export interface DevTools {
  /** Sends a command to the browser, or to a page by its session. */
  send(method: string, params?: object, sessionId?: string): Promise<Result>;
  close(): void;
}

/** Opens the socket that a browser listens on. */
export async function connectDevTools(url: string): Promise<DevTools> {
  const socket = new WebSocket(url);
  const waiting = new Map<number, PromiseWithResolvers<Result>>();
  socket.addEventListener("message", ({ data }: MessageEvent<string>) => {
    const { id = 0, result, error }: Answer = JSON.parse(data);
    const promise = waiting.get(id);
    waiting.delete(id);
    if (error) promise?.reject(new Error(error.message));
    else promise?.resolve(result ?? {});
  });
  socket.addEventListener("close", () => {
    for (const { reject } of waiting.values()) reject(new Error("the browser has gone away"));
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", () => reject(new Error(`no browser at ${url}`)));
  });
  let last = 0;
  return {
    send(method, params = {}, sessionId) {
      const id = ++last;
      const promise = Promise.withResolvers<Result>();
      waiting.set(id, promise);
      socket.send(JSON.stringify({ id, method, params, sessionId }));
      return promise.promise;
    },
    close: () => socket.close(),
  };
}
