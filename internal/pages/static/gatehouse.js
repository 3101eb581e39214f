// What stands behind # in an address is the browser's: no server sees it. Redirects keep it, forms and pages that lead
// on do not. This carries it through the pages of signing in, to the page that somebody wanted.
(() => {
  "use strict";
  const fragment = location.hash;
  if (fragment.length > 1) {
    for (const form of document.querySelectorAll("form[action^='/sign']")) {
      form.setAttribute("action", form.getAttribute("action") + fragment);
    }
    for (const link of document.querySelectorAll("a[data-keep-fragment]")) {
      link.setAttribute("href", link.getAttribute("href") + fragment);
    }
  }
  const onward = document.querySelector("a[data-continue]");
  if (onward) {
    location.replace(onward.getAttribute("href") + fragment);
  }
})();
