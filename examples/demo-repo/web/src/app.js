"use strict";

const money = new Intl.NumberFormat(undefined, { style: "currency", currency: "EUR" });
const list = document.getElementById("products");
const message = document.getElementById("order");

async function call(path, options) {
  const response = await fetch(path, options);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail || `the shop answered ${response.status}`);
  return body;
}

async function order(product, button) {
  button.disabled = true;
  try {
    const placed = await call("/api/orders", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ product_id: product.id, quantity: 1 }),
    });
    message.textContent = `Thank you! Order ${placed.id} (${product.name}) is being processed.`;
    await follow(placed.id);
  } catch (error) {
    message.textContent = `That did not work: ${error.message}.`;
  } finally {
    button.disabled = false;
  }
}

async function follow(id) {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { status } = await call(`/api/orders/${id}`);
    if (status === "processed") {
      message.textContent = `Order ${id} is on its way.`;
      return;
    }
  }
}

function show(product) {
  const item = document.getElementById("product").content.cloneNode(true);
  const button = item.querySelector("button");
  item.querySelector("h2").textContent = product.name;
  item.querySelector("p").textContent = product.description;
  button.textContent = `Order for ${money.format(product.price_cents / 100)}`;
  button.addEventListener("click", () => order(product, button));
  return item;
}

call("/api/products")
  .then(({ products }) => list.replaceChildren(...products.map(show)))
  .catch((error) => { list.textContent = `The shop is closed for a moment: ${error.message}.`; });
