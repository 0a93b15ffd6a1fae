"""The firewall beside nginx's bare `proxy_pass`, in one run: `python -m load.bench`.

Read in this order: `shapes` (what is compared, with the marks), `rounds` (how), `bed` (against what
it runs), `cpu` (what is counted), `figures` (what stands beside), `report`.
"""
