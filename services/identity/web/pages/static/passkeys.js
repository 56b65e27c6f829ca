// Passkeys on the pages of the login. Everything else works without a script.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // PublicKeyCredential.parse…FromJSON and toJSON do the same, and the old browsers of offices lack them.
  const options = (given) => {
    given.challenge = bytes(given.challenge);
    if (given.user) given.user.id = bytes(given.user.id);
    for (const one of [...(given.excludeCredentials || []), ...(given.allowCredentials || [])]) one.id = bytes(one.id);
    return { publicKey: given };
  };
  const answer = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
  };

  const form = document.querySelector("form[data-passkey]");
  if (!form) return;
  if (form.dataset.codeFrom === "fragment" && location.hash.length > 1) {
    form.elements.code.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname); // the code does not stay in the address
  }
  if (!window.PublicKeyCredential) return;
  const creates = form.dataset.passkey === "create";
  const button = form.querySelector("button.passkey") || form.querySelector("button");
  form.hidden = button.hidden = false;
  for (const heading of document.querySelectorAll(".second")) heading.hidden = false;
  const ask = async (event) => {
    if (form.elements.passkey.value) return;
    event.preventDefault();
    const failed = form.querySelector(".error");
    failed.hidden = true;
    try {
      const body = new URLSearchParams(new FormData(form));
      for (const name of ["password", "repeat"]) body.delete(name);
      const sent = await fetch(form.dataset.options, { method: "POST", body });
      if (!sent.ok) throw new Error(sent.status);
      const given = options(await sent.json());
      form.elements.passkey.value = answer(await navigator.credentials[creates ? "create" : "get"](given));
      form.submit();
    } catch {
      failed.hidden = false;
    }
  };
  if (creates) button.addEventListener("click", ask);
  else form.addEventListener("submit", ask);
})();
