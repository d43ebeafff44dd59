"""What the product does, without its pages."""

import sys

from exchange.errors import NotConfigured

if sys.platform != "linux":
    # Said before anything of Linux is imported: files of clerks are judged in processes that only it can confine.
    raise NotConfigured("Todoke runs on Linux only (Debian; on Windows in WSL): elsewhere it can't confine its judges")
