// Without this script every form posts and loads a page. With it, forms marked data-live post in place:
// the parts that changed are replaced, what happened is announced, and the keyboard stays where it was.
(() => {
  "use strict";

  const press = (form, button) => {
    const body = new URLSearchParams(new FormData(form));
    if (button && button.name) body.append(button.name, button.value);
    return body;
  };

  const show = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const parts = page.getElementById("parts");
    if (!parts) return false;
    document.getElementById("parts").replaceWith(document.adoptNode(parts));
    document.getElementById("status").replaceChildren(...page.getElementById("status").childNodes);
    document.title = page.title;
    return true;
  };

  const keep = (id) => {
    const place = (id && document.getElementById(id)) || document.getElementById("content");
    place.focus({ preventScroll: place.id !== "content" });
  };

  const tell = () => {
    if (window.parent === window || !document.querySelector("[data-answered]")) return;
    // Nothing about anybody: only that the banner may be closed.
    window.parent.postMessage({ tillwise: "answered" }, "*");
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-live]") || form.dataset.plain) return;
    const button = event.submitter;
    event.preventDefault();
    if (form.dataset.busy) return;
    form.dataset.busy = "1";
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: press(form, button), credentials: "same-origin" });
      if (!show(await answer.text())) throw new Error("no page");
      if (answer.redirected && window.parent === window) history.replaceState(null, "", "/" + answer.url.split("/").slice(3).join("/").split("?")[0]);
      keep(button && button.id);
      tell();
    } catch {
      form.dataset.plain = "1"; // post it the plain way, and let the page say what is wrong
      delete form.dataset.busy;
      form.requestSubmit(button || undefined);
    }
  });

  tell();
})();
