// While a ticket is open: say so to the others, and hear who else is on it. The page works without this.
(() => {
  const form = document.getElementById("compose");
  const banner = document.getElementById("desk-others");
  if (!form || !banner) return;
  const text = form.querySelector("textarea");
  const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
  const ping = async () => {
    if (document.hidden) return;
    const body = new URLSearchParams({ draft: text ? text.value.slice(0, 200) : "" });
    try {
      const answer = await fetch(form.dataset.ping, { method: "POST", body, headers: { "X-CSRFToken": token } });
      if (!answer.ok) return;
      const { others } = await answer.json();
      banner.hidden = others.length === 0;
      banner.querySelector("p").textContent = others.map((words) => `${words}.`).join(" ");
    } catch {
      // Offline for a moment: the next one tells.
    }
  };
  setInterval(ping, 20000);
  if (text) text.addEventListener("change", ping);
})();
