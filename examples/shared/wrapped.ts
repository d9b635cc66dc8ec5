/** Text in lines of a terminal's width, broken at spaces; line breaks of its own stay. */
export function wrapped(text: string, width = 78): string {
  const lines = text.split("\n").map((line) => {
    let [whole, current] = ["", ""];
    for (const word of line.split(" ")) {
      const longer = current === "" ? word : `${current} ${word}`;
      if (longer.length > width && current !== "") {
        whole += `${current}\n`;
        current = word;
      } else {
        current = longer;
      }
    }
    return whole + current;
  });
  return lines.join("\n");
}
