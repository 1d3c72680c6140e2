import { describe, expect, it } from "vitest";

import { litres } from "../src/beds.js";

describe("litres", () => {
  it("follows the size", () => expect(litres(4, 20)).toBe(20));
  it("is more on hot days", () => expect(litres(4, 30)).toBe(32));
  it("needs a size", () => expect(() => litres(0, 20)).toThrow(RangeError));
});
