// Camera and microphone, or as much of them as there is, with a sentence about what is missing.

const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
// A test listens for the tone of a fake microphone, which echo cancellation takes for an echo.
const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const AUDIO = new URLSearchParams(location.search).has("raw") ? RAW : { echoCancellation: true };

/** Returns {stream, notice}: `stream` is null when no device can be used. */
export async function openDevices() {
  if (!navigator.mediaDevices?.getUserMedia) {
    return {
      stream: null,
      notice: "This page may not use a camera: browsers allow it on localhost and over HTTPS only. Chat and files work.",
    };
  }
  const wanted = [
    [{ video: VIDEO, audio: AUDIO }, null],
    [{ audio: AUDIO }, "No camera could be opened"],
    [{ video: VIDEO }, "No microphone could be opened"],
  ];
  let first;
  for (const [constraints, missing] of wanted) {
    try {
      const stream = await navigator.mediaDevices.getUserMedia(constraints);
      return { stream, notice: missing && `${missing}: ${explain(first)}` };
    } catch (error) {
      first ??= error;
      // Who said no once is not asked two more times.
      if (error.name === "NotAllowedError") break;
    }
  }
  return { stream: null, notice: `Neither camera nor microphone: ${explain(first)} Chat and files work.` };
}

/** Opens the camera again, for a call that goes on. */
export async function openCamera() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: VIDEO });
    return { track: stream.getVideoTracks()[0], notice: null };
  } catch (error) {
    return { track: null, notice: `The camera could not be opened: ${explain(error)}` };
  }
}

function explain(error) {
  switch (error?.name) {
    case "NotAllowedError":
      return "the permission was refused. The symbol beside the address bar gives it back.";
    case "NotFoundError":
      return "there is none.";
    case "NotReadableError":
      return "another program uses it, or the system keeps it from the browser.";
    case "OverconstrainedError":
      return `it cannot do what was asked (${error.constraint}).`;
    default:
      return `${error?.message ?? error}.`;
  }
}
