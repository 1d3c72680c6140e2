import { litres } from "./beds.js";

for (const [name, size] of [["roses", 4], ["beans", 6]]) {
  const item = document.createElement("li");
  item.textContent = `${name}: ${litres(size, 28)} l`;
  document.querySelector("#beds").append(item);
}
