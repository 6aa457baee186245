// What a healthy page never has: errors, warnings, violations of the content security policy, failed requests, and
// requests to anybody else.

/** Watches a page; the returned list grows as things happen. */
export async function watch(page, base) {
  const problems = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith("data:")) problems.push(`request to somebody else: ${url}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} from ${response.url().slice(base.length)}`);
  });
  await page.exposeFunction("reportViolation", (text) => problems.push(text)).catch(() => {}); // without JavaScript
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.reportViolation?.(`${event.violatedDirective} forbids ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`);
    });
  });
  return problems;
}
