// A change to many cases goes on by itself once it was confirmed; without this file a button does it.

const form = document.querySelector("#bulk-work[data-goes-on]");
if (form) form.requestSubmit();
