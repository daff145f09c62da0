"""Will a registered interventional trial complete, rather than be terminated, withdrawn or suspended?"""
