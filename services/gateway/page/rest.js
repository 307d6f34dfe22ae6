// The REST side: logins and tables. Errors carry the server's code, message and help.

const SECRET_KEY = "arena.device-secret", REFRESH_KEY = "arena.refresh-token", NAME_KEY = "arena.name";
const SECRET_BYTES = 32;

/** A refusal of the server, or no answer at all (`code` "offline"). */
export class RestError extends Error {
  constructor(status, { code, message, help }) {
    super(message);
    this.status = status;
    this.code = code;
    this.help = help;
  }
}

async function call(method, path, body, token) {
  const headers = { accept: "application/json" };
  if (body) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(8000) });
  } catch {
    throw new RestError(0, { code: "offline", message: "the server does not answer", help: "it is tried again" });
  }
  const answer = response.status === 204 ? {} : await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  throw new RestError(response.status, answer ?? { code: "unreadable", message: `status ${response.status}`, help: "" });
}

// Private windows may refuse storage; the page then plays with an account of its own each time.
const kept = {
  read(key) { try { return localStorage.getItem(key); } catch { return null; } },
  write(key, value) { try { localStorage.setItem(key, value); } catch { /* it is kept in memory */ } },
};

function deviceSecret() {
  const known = kept.read(SECRET_KEY);
  if (known) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const made = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  kept.write(SECRET_KEY, made);
  return made;
}

export class Account {
  #secret = deviceSecret();
  #access = null;
  #expires = 0;
  player = null;
  name = kept.read(NAME_KEY) ?? "";

  /** Returns an access token that is good for another half a minute at least. */
  async token() {
    if (this.#access && Date.now() < this.#expires - 30_000) return this.#access;
    return this.login();
  }

  /** Logs in with the device's secret, under the chosen name. */
  async login() {
    const session = await call("POST", "/v1/login/device", { device_secret: this.#secret, display_name: this.name });
    this.#access = session.access_token;
    this.#expires = session.access_expires_ms;
    this.player = session.player;
    this.rename(session.display_name);
    kept.write(REFRESH_KEY, session.refresh_token);
    return this.#access;
  }

  /** Chooses a name; it counts from the next login on. */
  rename(name) {
    this.name = name;
    kept.write(NAME_KEY, name);
  }

  forget() { this.#access = null; }

  async profile() { return call("GET", "/v1/profile", null, await this.token()); }
}

export const leaderboard = () => call("GET", "/v1/leaderboard?limit=20");
export const status = () => call("GET", "/v1/status");
