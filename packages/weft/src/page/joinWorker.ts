/** Script of the training thread: the worker package as it is. */
import "@weft/worker/browser-thread";
