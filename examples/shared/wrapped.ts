/** Running text in lines of a terminal's width, broken at spaces. Single line breaks count as spaces, empty lines stay. */
export function wrapped(text: string, width = 78): string {
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => {
    const lines = [""];
    for (const word of paragraph.split(/\s+/)) {
      const line = lines.at(-1) ?? "";
      if (line === "") lines[lines.length - 1] = word;
      else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
      else lines.push(word);
    }
    return lines.join("\n");
  });
  return paragraphs.join("\n\n");
}
