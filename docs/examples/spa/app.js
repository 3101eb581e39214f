import { gatedFetch, signIn, SignInNeeded } from "./gatehouse.js";

// Where the application's own requests go: the page's host, or another one that lists this page's origin in corsOrigins.
const api = new URLSearchParams(location.search).get("api") ?? "";

const element = (id) => document.getElementById(id);

const load = async () => (await gatedFetch(`${api}/api/notes`)).text();
const save = async () =>
  (
    await gatedFetch(`${api}/api/notes`, {
      method: "POST",
      headers: { "Content-Type": "application/json" }, // so that browsers ask by OPTIONS first, across origins
      body: JSON.stringify({ text: "a note" }),
    })
  ).text();

async function attempt(request) {
  element("expired").hidden = true;
  element("status").textContent = "…";
  try {
    element("notes").textContent = await request();
    element("status").textContent = "Done.";
  } catch (problem) {
    if (!(problem instanceof SignInNeeded)) {
      element("status").textContent = `It did not work: ${problem.message}`;
      return;
    }
    element("status").textContent = "";
    element("expired").hidden = false;
    element("sign-in").onclick = () => {
      element("expired").hidden = true;
      element("status").textContent = "Waiting for you to sign in…";
      void attempt(() => signIn(problem.url, request));
    };
  }
}

element("load").onclick = () => attempt(load);
element("save").onclick = () => attempt(save);
