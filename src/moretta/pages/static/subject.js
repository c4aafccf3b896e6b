// Signs a consent with a passkey: the only thing on these pages that needs a script. It loads nothing and sends nothing by itself;
// what the passkey answers goes into the form, which is sent as any form is.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const opened = (credential) => ({ ...credential, id: bytes(credential.id) });

function described(credential, parts) {
  const response = Object.fromEntries(parts.map((part) => [part, text(credential.response[part])]));
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

async function make(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: (options.excludeCredentials || []).map(opened),
  };
  return navigator.credentials.create({ publicKey });
}

async function sign(options, made) {
  const known = made ? [{ type: "public-key", id: made.rawId }] : (options.allowCredentials || []).map(opened);
  return navigator.credentials.get({
    publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: known },
  });
}

function begin() {
  const form = document.getElementById("sign");
  const button = document.getElementById("sign-button");
  const told = document.getElementById("sign-told");
  if (!window.PublicKeyCredential) {
    told.textContent = "This browser knows no passkeys. Use another one, or sign on paper.";
    return;
  }
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    told.textContent = "Waiting for your passkey …";
    try {
      const made = form.dataset.registration ? await make(JSON.parse(form.dataset.registration)) : null;
      const signed = await sign(JSON.parse(form.dataset.authentication), made);
      form.elements.registration.value = made ? described(made, ["clientDataJSON", "attestationObject"]) : "";
      form.elements.assertion.value = described(signed, ["clientDataJSON", "authenticatorData", "signature"]);
      form.submit();
    } catch {
      told.textContent = "Nothing was signed and nothing was sent. You can try again.";
      button.disabled = false;
    }
  });
}

begin();
