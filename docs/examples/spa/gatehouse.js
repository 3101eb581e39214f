// What a single-page application needs to know about the gate in front of it: fetch that notices an ended session,
// has the person sign in in a window of its own, and sends the request once more. Nothing that is on the page is lost.

/** The gate asks for a sign-in before it lets a request pass. */
export class SignInNeeded extends Error {
  constructor(url) {
    super("sign in first");
    this.url = url;
  }
}

/** fetch, except that an answer of the gate's own which asks for a sign-in is an error. */
export async function gatedFetch(input, init = {}) {
  const response = await fetch(input, { credentials: "include", ...init });
  const signIn = response.headers.get("X-Gatehouse-Sign-In");
  if (response.status === 401 && signIn !== null) {
    throw new SignInNeeded(signIn);
  }
  return response;
}

/**
 * Opens the gate's sign-in in a window and resolves when `ready` does: a request that failed before and passes now.
 * Call it from a click. Where no window may be opened, the page itself goes to sign in and comes back.
 */
export async function signIn(url, ready, { every = 1000, giveUpAfter = 10 * 60 * 1000 } = {}) {
  const address = new URL(url);
  const opened = window.open(address, "gatehouse-sign-in", "popup,width=480,height=680");
  if (opened === null) {
    address.searchParams.set("continue", location.href);
    location.assign(address);
    return new Promise(() => {}); // the page is left
  }
  const end = Date.now() + giveUpAfter;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, every));
    const closed = opened.closed; // looked at first: somebody who signs in and closes the window at once is signed in
    try {
      const result = await ready();
      opened.close();
      window.focus();
      return result;
    } catch (problem) {
      if (!(problem instanceof SignInNeeded) || closed || Date.now() > end) {
        throw problem;
      }
    }
  }
}
