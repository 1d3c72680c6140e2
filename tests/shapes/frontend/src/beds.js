/** Litres of water that a bed needs today. */
export function litres(squareMetres, degrees) {
  if (squareMetres <= 0) {
    throw new RangeError(`a bed has a size, not ${squareMetres}`);
  }
  return Math.round(squareMetres * (degrees > 25 ? 8 : 5));
}
